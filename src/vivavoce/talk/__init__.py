"""`vivavoce talk`: a client for one's own ears, keyboard or files.

`dialogue.py` does what every client of the protocol must do (play, stop, truncate, run tools); `spoken.py`, `typed.py` and
`recorded.py` are where words come from and go to.
"""
