//! Random histories of both sides, played through the whole worker: real clients, a real SQLite file, the real sandbox,
//! and a clock that nobody waits for. After each sync an oracle that knows only the rules looks at what was sent and at
//! what came of it: no duplicate, no lost device, a second sync sends nothing, and what is sent is minimal.
//!
//! A run is the same each time; `PROPTEST_CASES=2000` makes it longer, and `PROPTEST_RNG_SEED` another one. A history that
//! goes wrong is shrunk and printed: it belongs into `examples.rs`, under the name of the rule that it broke.

mod bench;
mod devices;
mod examples;
mod fleet;
mod history;
mod ledger;
mod mapping;
mod minimal;
mod oracle;
mod removals;
mod stage;
mod wire;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use bench::Bench;

/// So many histories, unless the environment says otherwise.
const CASES: u32 = 64;

#[test]
fn random_histories_keep_every_rule() {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_MAX_SHRINK_ITERS").is_none() {
        config.max_shrink_iters = 4_000;
    }
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    if std::env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(1);
    }
    let bench = Bench::new();
    let played = TestRunner::new(config).run(&(history::setup(), history::steps(12)), |(setup, steps)| {
        bench.runtime.block_on(stage::play(&bench, setup, &steps)).map_err(TestCaseError::fail)
    });
    if let Err(broken) = played {
        panic!("{broken}");
    }
}
