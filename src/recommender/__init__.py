"""Next-best contact actions for collections, learnt from a log of past contacts."""
