# The commands of the README. Every target that needs Python makes .venv first.
PYTHON ?= python3.11
CORES ?= 2
VENV := .venv
# Labels of two readers: a clone of the data's repository, or a folder of its label maps (docs/data.md).
TCIA_DEEPMIND ?= ../shared/data/deepmind_tcia_labels
SNAKEMAKE := $(VENV)/bin/snakemake --cores $(CORES)
ROOMS := $(filter-out __% commands,$(notdir $(basename $(filter-out %.typed,$(wildcard workflow/globalmask/*)))))

# The run of the workflow first, for it takes longest.
TESTS := tests/workflow/test_tiny.py tests/workflow tests/real tests/unit

.PHONY: demo worlds test coverage test-report test-tutorial test-slurm faults lint fix dry unlock bench profile openkbp model average-head evidence peers nnunet docs rules census clean

demo: $(VENV)/.installed  ## the whole workflow on the embedded synthetic cohort
	$(SNAKEMAKE) --configfile workflow/config/demo.yaml --quiet rules
	@echo "The report of this synthetic run: results/demo/report.html"

worlds: $(VENV)/.installed  ## two synthetic worlds: structures that the silhouette fixes, or has nothing to do with
	$(SNAKEMAKE) scores --configfile workflow/config/worlds.yaml --quiet rules
	$(VENV)/bin/globalmask compare-worlds --run results/worlds

test: $(VENV)/.installed  ## the tests, but for faults, SLURM, large reports and the tutorial
	$(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(TESTS) $(PYTEST)

coverage: $(VENV)/.installed  ## lines of the package that `make test` runs, and those that it does not
	$(MAKE) test PYTEST="--cov --cov-report=term --cov-fail-under=90 $(PYTEST)"

test-report: $(VENV)/.installed  ## reports of real size in headless Chromium: 300 trainings, and the demo's where it is made
	$(VENV)/bin/python -m pytest tests/report -s $(PYTEST)

test-tutorial: $(VENV)/.installed  ## docs/tutorial.md, line by line as printed
	$(VENV)/bin/python -m pytest tests/tutorial $(PYTEST)

test-slurm: $(VENV)/.installed  ## a real SLURM on this machine (installed when missing, as root): the workflow, and faults in its jobs
	$(VENV)/bin/python -m pytest tests/slurm $(PYTEST)

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

unlock: $(VENV)/.installed  ## after a killed run: end its jobs on the cluster, then unlock the folder
	$(VENV)/bin/globalmask cancel-jobs
	$(SNAKEMAKE) --unlock

bench: $(VENV)/.installed peers  ## every comparison of benchmarks/results.md; LINES="step planning" for some
	$(VENV)/bin/python benchmarks/run.py $(LINES)

profile: $(VENV)/.installed  ## where the time goes: the tables of docs/performance.md
	$(VENV)/bin/python benchmarks/where_time_goes.py

openkbp: $(VENV)/.installed  ## the real-CT run behind docs/openkbp.md
	$(SNAKEMAKE) --configfile workflow/config/openkbp.yaml --quiet rules

model: $(VENV)/.installed  ## models/openkbp_brain_stem.safetensors anew, registered to the committed average head
	$(SNAKEMAKE) scores --configfile workflow/config/openkbp_model.yaml --quiet rules
	$(VENV)/bin/globalmask export results/openkbp_model/brain/modern/ct_mask/n26/r0 \
	    --card models/openkbp_brain_stem.yaml --out models/openkbp_brain_stem.safetensors
	cp results/openkbp_model/brain/modern/ct_mask/n26/r0/scores.csv models/openkbp_brain_stem.scores.csv

average-head: $(VENV)/.installed  ## the average head of that model, from the evidence's prepared training CTs
	$(SNAKEMAKE) prepared splits --configfile workflow/config/evidence.yaml --quiet rules
	$(VENV)/bin/globalmask average-template results/evidence/brain \
	    --out workflow/config/templates/openkbp_average_head.nii.gz

evidence: $(VENV)/.installed  ## docs/evidence.md: train the cells that are missing, then rebuild its numbers
	$(VENV)/bin/python docs/train_evidence.py --cores $(CORES)
	$(VENV)/bin/python docs/build_evidence.py

data/tcia-deepmind/cases.tsv: | $(VENV)/.installed
	$(VENV)/bin/globalmask import tcia-deepmind $(TCIA_DEEPMIND) data/tcia-deepmind

docs: $(VENV)/.installed  ## the reference of the Python package, from its docstrings: build/docs/index.html
	$(VENV)/bin/python -W error -W "ignore:Cannot determine where globalmask.config.TrainOverrides" \
	    -W "ignore:Error parsing type annotation ForwardRef" -m pdoc globalmask $(ROOMS:%=globalmask.%) --output-directory build/docs

rules: $(VENV)/.installed  ## the rule graph in the README, from the rules
	$(VENV)/bin/python docs/build_rules.py

census: $(VENV)/.installed  ## the tables of docs/dependencies.md, from what is installed
	$(VENV)/bin/python docs/build_dependencies.py

peers: .venv-peers/.installed  ## MONAI, TorchIO, nnU-Net in an environment of their own

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
