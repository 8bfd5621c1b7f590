//! Says that the storage core is built for the scheduler. Cargo runs it before it builds the package; `src/lsm/sync.rs` is what
//! asks for the cfg.

fn main() {
    println!("cargo::rustc-cfg=shuttle");
    println!("cargo::rerun-if-changed=build.rs");
}
