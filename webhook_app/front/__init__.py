"""
The front of a web process: it speaks with clients, however slow they are, and hands whole requests to threads.

One event loop reads every request within a deadline and a bound of bytes, and only then a thread works on it; the same
loop sends the answer. So a client never holds a thread. Each area of the service has threads of its own: whatever
happens in one, the others answer.
"""
