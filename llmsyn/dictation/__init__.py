"""Records mode, LLMSYN's own: the model writes each patient, stage by stage.

Code draws who the patients are (demographics, outcome, main code, how many codes), the model
chooses from enumerated candidates, :mod:`llmsyn.raking` brings the result to the profile.
"""
