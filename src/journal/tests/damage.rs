//! Bodies that are not what was written: the checksum finds them, and says where.

use crate::journal::Place;

const BODY: &[u8] = b"a body of some length, so that there is something to damage";

fn place() -> Place {
    Place::Segment { chunk: Some(3), epoch: 2, seq: 17 }
}

#[test]
fn every_flipped_bit_is_found_and_placed() {
    let checksum = i64::from(place().checksum(BODY));
    place().check(BODY, checksum).unwrap();
    for bit in 0..BODY.len() * 8 {
        let mut flipped = BODY.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let damage = place().check(&flipped, checksum).unwrap_err();
        assert_eq!(damage.place, place());
        assert_eq!(damage.to_string(), "segment 17 of chunk 3: the checksum does not fit");
    }
    for bit in 0..i64::BITS {
        place().check(BODY, checksum ^ (1 << bit)).unwrap_err();
    }
}

#[test]
fn a_cut_tail_is_found() {
    let checksum = i64::from(place().checksum(BODY));
    for length in 0..BODY.len() {
        place().check(&BODY[..length], checksum).unwrap_err();
    }
}

#[test]
fn a_body_in_the_place_of_another_is_found() {
    let checksum = i64::from(place().checksum(BODY));
    for other in [
        Place::Head,
        Place::Totals,
        Place::Chunk(3),
        Place::Segment { chunk: None, epoch: 2, seq: 17 },
        Place::Segment { chunk: Some(4), epoch: 2, seq: 17 },
        Place::Segment { chunk: Some(3), epoch: 1, seq: 17 },
        Place::Segment { chunk: Some(3), epoch: 2, seq: 18 },
    ] {
        other.check(BODY, checksum).unwrap_err();
    }
}
