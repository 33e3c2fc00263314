"""Order dependence: who wrote the hidden state that a victim reads, told from the orders in which the tests ran.

The words are those of the literature on order-dependent tests (iFixFlakies): a *victim* passes alone and fails after a
*polluter*, a *cleaner* between the two makes it pass again; a *brittle* test fails alone and passes after a
*state-setter*. One picture covers them: a hidden bit, written bad or good by some tests, read by the victim.

marginal.py    the closed-form likelihoods
candidates.py  who may have written: single tests and groups of tests, and how likely each is beforehand
units.py       what is to be explained: the outcomes of victims, row by row
pieces.py      when the groups ran before each victim, for all victims of a window at once
writers.py     when each candidate last wrote before each row
hypotheses.py  a set of writers, what it costs beforehand, and the sets that a search has seen
splits.py      what the rows are worth, split in those that should fail and the others
fit.py         what a set of writers is worth as an explanation
later.py       in which rows a candidate wrote later than others, a bit for each row
leads.py       the best of many scores
extend.py      all candidates at once as one more writer of several sets
search.py      the search for the sets of writers that explain the rows best
nulls.py       what else could explain the rows, on equal terms
pool.py        which victims share their writers
parallel.py    what parallel runs add to the hypotheses of serial ones
hints.py       and what they let suspect by themselves
telling.py     whose presence tells most, where nobody explains the failures
study.py       the way through, from a window to the best explanation of each subject
partners.py    who the other parties are, with odds, and who cannot be told apart
explain.py     the evidence in words
"""
