"""
The front of a web process: it talks to clients, however slow they are, and hands whole requests to threads.

One event loop reads every request, within a deadline and a number of bytes. Then a thread works on it, and the loop
sends the answer. A client never occupies a thread. Each area of the service has its own threads: whatever happens in
one, the others answer.
"""
