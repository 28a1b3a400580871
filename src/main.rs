//! Arguments, logging, runtime, one dispatch, one exit code.

fn main() {}
