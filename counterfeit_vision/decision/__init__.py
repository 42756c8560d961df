"""What is known of a listing -> one of four words, and the sentence that says why.

In reading order: ``case`` (what the decision rests on), ``gates`` (what an alarm has to pass), ``policy`` (the order of
the rules), ``authorised`` (sellers that are never suspected), ``deciding`` (from scores to the verdict).
"""
