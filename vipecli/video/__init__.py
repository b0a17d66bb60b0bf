"""Reading and writing films: streams, image sequences, sound, timestamps."""
