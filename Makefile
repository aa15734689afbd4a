# Everything is in ops/; this file only names it. Each target installs what it needs first.
PYTHON ?= python3
OPS = $(PYTHON) -m ops

.PHONY: help run manage up test check bench lock

help:
	@$(OPS) help

run: ## Install, start and set up everything; then run until Ctrl-C. PORT=8000
	@$(OPS) run

manage: ## A management command against the same servers: make manage CMD='shell'
	@$(OPS) manage $(CMD)

up: ## Only the database and the broker, until Ctrl-C
	@$(OPS) up

test: ## The tests, on servers of their own: make test ARGS='tests/leads -k stages'
	@$(OPS) test $(ARGS)

check: ## Format, lint, types, order of the apps, migrations, deployment settings
	@$(OPS) check

bench: ## The measurements, on servers of their own
	@$(OPS) bench $(ARGS)

lock: ## Compile requirements*.in into requirements*.txt
	@$(OPS) lock
