//! A new migration is reason enough to compile again.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
