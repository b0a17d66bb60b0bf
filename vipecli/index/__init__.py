"""A labelled index of embedded clips: build, store, search and classify."""
