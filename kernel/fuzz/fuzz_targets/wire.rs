//! Frames off the network: none makes the decoder panic, none without the key's signature gets
//! in, and none gets in twice.
//!
//! The first byte says how the rest is cut into frames, and whether they are signed: a fuzzer
//! does not guess a signature, and what lies behind that check is to be reached as well.
#![no_main]

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;

// The file alone: the kernel itself brings a compiler.
#[allow(dead_code)]
#[path = "../../src/wire.rs"]
mod wire;

const KEY: &str = "a key";

/// Cuts at every byte 0xff, which no JSON has.
fn frames(bytes: &[u8]) -> Vec<Bytes> {
    let parts = bytes.split(|byte| *byte == 0xff);
    parts.map(Bytes::copy_from_slice).collect()
}

fn signature(parts: &[Bytes]) -> Bytes {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("any length will do");
    for part in parts {
        mac.update(part);
    }
    let code = mac.finalize().into_bytes();
    let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    Bytes::from(code)
}

fuzz_target!(|data: &[u8]| {
    let Some((how, rest)) = data.split_first() else {
        return;
    };
    let mut cut = frames(rest);
    let seen = wire::Seen::default();
    if how & 1 == 0 {
        // As they are: whatever they are, they are not signed.
        assert!(wire::decode(cut, KEY, &seen).is_err());
        return;
    }
    // Signed, behind as many identities as the byte says.
    let identities = usize::from(how >> 1 & 3).min(cut.len());
    let parts = cut.split_off(identities);
    let signed = parts.get(..4.min(parts.len())).unwrap_or_default();
    let mut whole = cut;
    whole.push(Bytes::from_static(b"<IDS|MSG>"));
    whole.push(signature(signed));
    whole.extend(parts);
    if wire::decode(whole.clone(), KEY, &seen).is_ok() {
        let again = wire::decode(whole, KEY, &seen);
        assert!(matches!(again, Err(wire::WireError::Replayed(_))));
    }
});
