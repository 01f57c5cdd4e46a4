"""Honest waiting times: learnt paces, the queue run forward, ranges corrected by what came true."""
