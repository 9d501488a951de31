"""Utterances with a pause inside the sentence, as callers make them: while they look for a word, a number, or the right way to ask.

In the first twenty the first half cannot stand alone; in the last ten it could.
"""

from __future__ import annotations

PAUSED: tuple[tuple[str, str], ...] = (
    ("I would like to", "change my order please"),
    ("Can you tell me", "when my parcel will arrive"),
    ("I need to talk to", "somebody about my bill"),
    ("My order number is", "seven three one zero"),
    ("I want to send a message to", "my brother in London"),
    ("When I came home", "the front door was open"),
    ("Where is the", "nearest police station"),
    ("I bought a lamp last week and", "it is already broken"),
    ("Could you please check if", "there is a table for two people"),
    ("The reason I am calling is", "that I lost my credit card"),
    ("If the weather is good", "we want to go to the beach"),
    ("I have been waiting for", "more than three weeks"),
    ("Please put it on", "the table in the kitchen"),
    ("We are looking for a", "house with a big garden"),
    ("I think that", "you sent me the wrong book"),
    ("Is there any", "train to the city after ten"),
    ("I cannot come because", "my car does not start"),
    ("My name is", "Robert Johnson"),
    ("I was wondering whether", "you could help me with this"),
    ("The man with the", "black hat is my father"),
    ("I want to book a room", "for the second week of July"),
    ("Please call my mother", "after I have left the house"),
    ("We had dinner", "at the new restaurant by the river"),
    ("I paid the bill", "with the card of my company"),
    ("Do you have a table", "near the window for tonight"),
    ("I read the letter", "that you sent me in March"),
    ("The doctor said", "that I should drink more water"),
    ("She lives in a small town", "not far from the sea"),
    ("He opened the window", "because it was too hot"),
    ("Turn on the light", "in the room upstairs"),
)
