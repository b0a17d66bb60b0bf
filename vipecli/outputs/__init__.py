"""What comes out: videos, and later pages, plots and tables."""
