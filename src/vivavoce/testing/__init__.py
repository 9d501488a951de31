"""What tests of a voice server need, shipped to whoever writes them.

clock        an event loop whose time passes only when nothing is left to do
grammar      behaviours as Markdown: timed inputs, and exactly what comes out
stage        runs a behaviour over the session, the driver and a puppet engine
puppet       an engine that does what a script tells it to
invariants   what must hold for every stream of server events
strict       every frame as a client reads it that validates them all
attachments  a client inside the process that holds its stream against these two
leash        servers that end with whoever started them
collect      behaviours as pytest tests
"""
