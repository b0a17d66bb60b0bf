"""Reading and writing clips: video files, folders of frames, sound, timestamps."""
