//! Speed, measured on request only: `cargo test --release -p pandaport-worker -- --ignored --nocapture`.
