# make demo          open napari on simulated cells with the widgets at work (HEADLESS=1: write
#                    pictures, TIFFs and tables of every scene instead)
# make test          run the tests (in a virtual X server where there is one to be had)
# make test-quick    the tests without training, real weights and viewers: a minute or so
# make lint          what continuous integration lints: ruff, types, import contracts
# make bench         compare speeds with rivals: one table (minutes, on a quiet machine)
# make bench-docs    the same, and write the table into docs/how-fast.md
# make docs          build the documentation into site/
# make screenshots   draw the pictures in docs/images again
# Each does its own set-up: system packages (as root on Debian or Ubuntu, else it says what
# is missing) and a virtual environment in .venv with the versions of constraints.txt.

VENV ?= .venv
PYTHON ?= python3
OUT ?= demo-output
ARGS ?=

SEGMENT_PICTURES := segment touching-high-threshold stack stack-volume doubt-hidden
PAPER_PICTURES := look paper-segment paper-table paper-filter paper-plot paper-figure
GENERATORS := nuclei-vae nuclei-wgan nuclei-ddpm cellpainting-ddpm histology-ddpm em-pairs-ddpm em-ldm

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export VENV PYTHON

HAS_DISPLAY := $(if $(filter Darwin,$(shell uname -s)),yes,$(DISPLAY)$(WAYLAND_DISPLAY))

.DEFAULT_GOAL := help
.PHONY: help setup system demo test test-quick bench bench-docs lint docs screenshots

help:
	@sed -n '1,/^$$/s/^# //p' Makefile

system:
	@scripts/system-packages.sh

$(STAMP): pyproject.toml constraints.txt scripts/make-venv.sh | system
	@scripts/make-venv.sh
	@touch $@

setup: system $(STAMP)

demo: setup
ifneq ($(if $(filter-out 0,$(HEADLESS)),,$(HAS_DISPLAY)),)
	$(BIN)/python -m napari_cytosynth demo
else
	scripts/with-display.sh $(BIN)/python -m napari_cytosynth demo --headless --out "$(OUT)"
endif

# Two processes, since a test is short and importing torch and starting Qt is not: more would
# only import more often. One that crashes ends its test, not the run. Some 150 tests start an
# interpreter, which would compile the package anew where bytecode is not written.
test: export PYTHONDONTWRITEBYTECODE =
test: setup
	@scripts/with-display.sh $(BIN)/python -m pytest -n 2 $(ARGS)

# Rivals that cannot be installed are rows that say so. One thread: times are those of the processor.
bench: setup
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@OMP_NUM_THREADS=1 scripts/with-display.sh $(BIN)/python -m pytest -q tests/benchmarks $(ARGS)

bench-docs: export CYTOSYNTH_BENCHMARK_PAGE = docs/how-fast.md
bench-docs: bench

NOT_QUICK := slow or training or weights or shared_data or viewer or hub

test-quick: setup
	@scripts/with-display.sh $(BIN)/python -m pytest -n 2 \
		-m "not ($(NOT_QUICK))" $(ARGS)

lint: setup
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet -c constraints.txt --group lint
	scripts/lint.sh

docs: setup
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/python -m mkdocs build --strict

screenshots: setup
	scripts/with-display.sh $(BIN)/python -m napari_cytosynth demo --headless --out "$(OUT)"
	rm -rf "$(OUT)/phantoms"
	$(BIN)/python -m napari_cytosynth phantoms --out "$(OUT)/phantoms/test" --count 12 --seed 3
	$(BIN)/python -m napari_cytosynth evaluate stain phantom-phase-pix2pixhd phantom-phase-unet \
		--data-dir "$(OUT)/phantoms" --part test --out "$(OUT)/phantoms/evaluation"
	for model in $(GENERATORS); do \
		$(BIN)/python -m napari_cytosynth generate --model $$model --count 24 \
			--out "$(OUT)/$$model" && \
		cp "$(OUT)/$$model/contact-sheet.png" "$(OUT)/generated-$$model.png" || exit 1; \
	done
	scripts/with-display.sh $(BIN)/python scripts/paper-pictures.py "$(OUT)"
	cp "$(OUT)/nuclei.png" "$(OUT)/segment.png"
	cp "$(OUT)/generate-grid.png" "$(OUT)/generate.png"
	cp "$(OUT)/phantoms/evaluation/overview.png" "$(OUT)/stain-phantom.png"
	cd "$(OUT)" && "$(abspath $(BIN))/python" "$(CURDIR)/scripts/shrink-pictures.py" \
		"$(CURDIR)/docs/images" $(SEGMENT_PICTURES:%=%.png) \
		$(PAPER_PICTURES:%=%.png) \
		stain.png stain-trust.png stain-second-opinion.png stain-phantom.png generate.png \
		$(GENERATORS:%=generated-%.png)
