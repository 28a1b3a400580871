//! The examples at the end of each command's `--help`. A test holds that each is a command, and 80 columns wide at most.

pub(super) const INIT: &str = "\
Examples:
  deskie-cdc init --url postgres://me@db.example/site --output deskie-cdc.toml
  deskie-cdc init --url postgres://me@db.example/site --ticket public.orders";

pub(super) const SETUP: &str = "\
Examples:
  deskie-cdc setup --admin-url postgres://postgres@db.example/site
  deskie-cdc setup --print-sql";

pub(super) const CHECK: &str = "\
Examples:
  deskie-cdc check
  deskie-cdc check --rows 1000";

pub(super) const PLAN: &str = "\
Examples:
  deskie-cdc plan --last 20
  deskie-cdc plan --ticket 42
  deskie-cdc plan --ticket 42 --reply 'We are on it'";

pub(super) const RUN: &str = "\
Examples:
  deskie-cdc run
  deskie-cdc --config /etc/deskie-cdc/deskie-cdc.toml --log-format json run";

pub(super) const BACKFILL: &str = "\
Examples:
  deskie-cdc backfill --since 2026-01-01 --dry-run
  deskie-cdc backfill --status open --limit 100";

pub(super) const STATUS: &str = "\
Examples:
  deskie-cdc status
  deskie-cdc status --json";

pub(super) const FAILED: &str = "\
Examples:
  deskie-cdc failed list
  deskie-cdc failed show d12
  deskie-cdc failed retry d12 --reason 'the key is right again'
  deskie-cdc failed retry --all
  deskie-cdc failed discard r7 --reason 'the customer was told by phone'";

pub(super) const PAUSE: &str = "\
Examples:
  deskie-cdc pause to_deskie --reason maintenance
  deskie-cdc pause both";

pub(super) const RESUME: &str = "\
Examples:
  deskie-cdc resume to_deskie";

pub(super) const TRACE: &str = "\
Examples:
  deskie-cdc trace 42
  deskie-cdc trace 42 --text";

pub(super) const RULES: &str = "\
Examples:
  deskie-cdc rules --lang tr
  deskie-cdc rules --lang ru --show-secret";

pub(super) const UNINSTALL: &str = "\
Examples:
  deskie-cdc uninstall --print-sql
  deskie-cdc uninstall --admin-url postgres://postgres@db.example/site";

#[cfg(feature = "demo")]
pub(super) const SIMULATOR: &str = "\
Examples:
  deskie-cdc simulator
  deskie-cdc simulator --webhook http://127.0.0.1:8787/webhooks/SECRET";

#[cfg(feature = "demo")]
pub(super) const DEMO: &str = "\
Examples:
  deskie-cdc demo
  deskie-cdc demo --once --no-fetch";

pub(super) const COMPLETIONS: &str = "\
Examples:
  deskie-cdc completions bash > /etc/bash_completion.d/deskie-cdc
  deskie-cdc completions zsh";
