#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::fuzzing::tapip_toml(data));
