//! A migration that is added is seen: the list of files is read when this package is compiled.

fn main() {
    println!("cargo::rerun-if-changed=../database/migrations");
}
