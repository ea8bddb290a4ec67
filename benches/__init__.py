"""Speed, measured side by side: ``python -m benches [topic ...]``, or ``make bench``.

A topic is a module of this package with a function ``run()`` that prints what it finds. What is
compared runs in one process, in turns, so that both meet the same machine; the median counts.
"""
