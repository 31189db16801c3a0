# What the lock pins, and the workflow: docker build --tag globalmask .
# Results: docker run --rm --volume "$PWD/results:/globalmask/results" globalmask make demo
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install --no-install-recommends --yes make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /globalmask

# The libraries first: an edit of the code does not install them again.
COPY requirements.lock ./
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir --requirement requirements.lock
COPY . .
RUN .venv/bin/pip install --no-cache-dir --no-deps --editable . && touch .venv/.installed

ENV PATH="/globalmask/.venv/bin:$PATH"
CMD ["globalmask", "--help"]
