"""Training of the pocket model: drawn faces, synthesised voices, stages that each end in a small resumable file."""
