#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| waiting_room::fuzzing::direct(bytes));
