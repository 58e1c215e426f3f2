"""What a language model is asked of a profile, and what becomes of its answers.

::

    profile ──items──> questions ──asking──> ModelRequest
                                                │ model
    overlay <──merging── settling <──asking── ModelReply
                  │
              reviewing: a second tutor

Code draws, the model only proposes: nothing random and no number is asked of it, only how
strongly two things go together, on a scale of classes.
"""
