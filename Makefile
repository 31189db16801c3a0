# The commands of the README. Every target that needs Python makes .venv first.
PYTHON ?= python3.11
CORES ?= 2
VENV := .venv
SNAKEMAKE := $(VENV)/bin/snakemake --cores $(CORES)

.PHONY: demo worlds test faults lint fix dry unlock bench openkbp evidence peers nnunet docs rules census clean

demo: $(VENV)/.installed  ## the whole workflow on the embedded synthetic cohort
	$(SNAKEMAKE) --configfile workflow/config/demo.yaml --quiet rules
	@echo "The report of this synthetic run: results/demo/report.html"

worlds: $(VENV)/.installed  ## two synthetic worlds: structures that the silhouette fixes, or has nothing to do with
	$(SNAKEMAKE) scores --configfile workflow/config/worlds.yaml --quiet rules
	$(VENV)/bin/globalmask compare-worlds --run results/worlds

test: $(VENV)/.installed  ## the tests, but for faults and SLURM
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile --ignore tests/faults --ignore tests/slurm $(PYTEST)

faults: $(VENV)/.installed  ## faults injected, bad and hostile input: how many, and what became of them
	$(VENV)/bin/python -m pytest tests/faults --numprocesses 2 --dist loadfile $(PYTEST)

lint: $(VENV)/.installed  ## style, types, workflow
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/snakefmt --check Snakefile workflow/rules
	$(VENV)/bin/snakemake --lint

fix: $(VENV)/.installed  ## mend what a program can mend
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/snakefmt Snakefile workflow/rules

dry: $(VENV)/.installed  ## what would run, and why
	$(SNAKEMAKE) --dry-run --quiet rules

unlock: $(VENV)/.installed  ## after a killed run
	$(SNAKEMAKE) --unlock

bench: $(VENV)/.installed  ## one optimiser step of preset paper at full scale: seconds, memory, weights
	$(VENV)/bin/python benchmarks/full_step.py

openkbp: $(VENV)/.installed  ## the real-CT run behind docs/openkbp.md
	$(SNAKEMAKE) --configfile workflow/config/openkbp.yaml --quiet rules

evidence: $(VENV)/.installed  ## docs/evidence.md: train the cells that are missing, then rebuild its numbers
	$(VENV)/bin/python docs/train_evidence.py --cores $(CORES)
	$(VENV)/bin/python docs/build_evidence.py

docs: $(VENV)/.installed  ## the reference of the Python package, from its docstrings: build/docs/index.html
	$(VENV)/bin/python -W error -W "ignore:Cannot determine where globalmask.config.TrainOverrides" \
	    -W "ignore:Error parsing type annotation ForwardRef" -m pdoc globalmask !globalmask.__main__ --output-directory build/docs

rules: $(VENV)/.installed  ## the rule graph in the README, from the rules
	$(VENV)/bin/python docs/build_rules.py

census: $(VENV)/.installed  ## the tables of docs/dependencies.md, from what is installed
	$(VENV)/bin/python docs/build_dependencies.py

peers: .venv-peers/.installed  ## nnU-Net in an environment of its own

nnunet: $(VENV)/.installed peers  ## nnU-Net on the evidence's split: is variant modern a weak baseline?
	$(VENV)/bin/python benchmarks/nnunet_reference.py --jobs $(CORES)

.venv-peers/.installed: benchmarks/peers/requirements.lock
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --requirement $<
	touch $@

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement requirements.lock
	$(VENV)/bin/pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf $(VENV) .venv-peers .pytest_cache .ruff_cache .mypy_cache
