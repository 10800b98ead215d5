"""From a model that a service hosts to one of our own: which steps are done, what comes next, what it saves."""
