use super::*;
use crate::pgoutput::encode::{encode, message};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_message_survives_its_bytes(message in message()) {
        prop_assert_eq!(decode(&encode(&message)), Ok(message));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = decode(&bytes.into());
    }

    #[test]
    fn arbitrary_bytes_behind_a_known_letter_never_panic(
        tag in prop::sample::select(b"BMCORYIUDT".to_vec()),
        bytes: Vec<u8>,
    ) {
        let _ = decode(&[vec![tag], bytes].concat().into());
    }

    #[test]
    fn every_cut_is_an_error(message in message(), at: prop::sample::Index) {
        let whole = encode(&message);
        let cut = whole.slice(..at.index(whole.len()));
        let truncated = matches!(decode(&cut), Err(DecodeError::Truncated { .. }));
        prop_assert!(truncated);
    }

    #[test]
    fn a_changed_byte_never_panics(message in message(), at: prop::sample::Index, value: u8) {
        let mut bytes = encode(&message).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = decode(&bytes.into());
    }
}

#[test]
fn faults_are_named() {
    let check = |bytes: &[u8], expected: &str| {
        let error = decode(&Bytes::copy_from_slice(bytes)).expect_err("a fault");
        assert_eq!(error.to_string(), expected);
    };
    check(b"", "a replication message `?` ends too early, within its letter");
    check(
        b"Z",
        "unknown replication message 0x5a; is the slot's plugin `pgoutput`?",
    );
    check(
        b"I\0\0\0\x01N\0\x01b\0\0\0\0",
        "a replication message `I` holds a binary cell, which was not asked for",
    );
    check(
        b"I\0\0\0\x01N\0\x01t\xff\xff\xff\xff",
        "a replication message `I` ends too early, within its cell's length",
    );
    check(
        b"I\0\0\0\x01X",
        "a replication message `I` has an unknown kind of tuple: 0x58",
    );
    check(
        b"Y\0\0\0\x01a\0x\0zz",
        "a replication message `Y` is 2 bytes longer than its content",
    );
}

#[test]
fn a_senseless_time_does_not_stop_the_stream() {
    for (micros, expected) in [(i64::MAX, Timestamp::MAX), (i64::MIN, Timestamp::MIN)] {
        let bytes = [b"B".as_slice(), &[0; 8], &micros.to_be_bytes(), &[0; 4]].concat();
        let Ok(Message::Begin { commit_time, .. }) = decode(&bytes.into()) else {
            panic!("a begin")
        };
        assert_eq!(commit_time, expected);
    }
}
