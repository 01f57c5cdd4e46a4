"""Why is this video blurred or out of step? The fault tree, walked with what the house knows. Nothing here changes anything."""
