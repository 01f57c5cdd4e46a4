"""Is this machine fit for work? Each check looks at one thing and says what it found, with figures, and the way out.

Nothing is changed (a bounded temporary file for the disk's speed, without a name, is all that is ever written), no daemon is
needed, and no check can hang the whole: they run in a process of their own (`examination`).
"""
