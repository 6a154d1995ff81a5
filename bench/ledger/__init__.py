"""What was sent and promised: pieces, senders, answers, and the words of the verdict. Nothing of one pipeline."""
