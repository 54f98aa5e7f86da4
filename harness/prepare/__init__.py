"""From a tracker's source to the files a backend opens, each step cached by the content it depends on."""
