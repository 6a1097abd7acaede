//! Writers of segments, and what stands around their records.

use super::{ended, started};
use crate::journal::{
    Place, Record, RunRecord, RunSegmentWriter, SegmentWriter, distance, records, with_distance,
};

const MEBIBYTE: usize = 1_048_576;

#[test]
fn a_distance_leads_to_the_segment_before_and_the_first_one_has_none() {
    assert_eq!([distance(1, 0), distance(9, 0), distance(9, 8), distance(9, 1)], [0, 0, 1, 8]);
}

#[test]
fn a_writer_knows_whether_it_holds_a_record() {
    let mut writer = SegmentWriter::default();
    assert!(writer.is_empty());
    writer.push(&Record { offset: 0, fact: started(1) });
    assert!(!writer.is_empty());
    writer.clear();
    assert!(writer.is_empty());
    let mut writer = RunSegmentWriter::default();
    assert!(writer.is_empty());
    writer.push(&RunRecord::Polled { leaves_us: 1 });
    assert!(!writer.is_empty());
}

#[test]
fn a_segment_is_large_from_a_mebibyte_on_and_no_record_later() {
    let mut writer = SegmentWriter::default();
    for seq in 1.. {
        writer.push(&Record { offset: 0, fact: started(seq) });
        if writer.is_large() {
            break;
        }
    }
    let mut body = Vec::new();
    writer.write(0, &mut body);
    // One byte says that there is no segment before it, and such a record takes a few.
    assert!((MEBIBYTE..MEBIBYTE + 10).contains(&(body.len() - 1)), "{}", body.len());
}

#[test]
fn a_segment_gets_another_distance_and_keeps_its_records() {
    let mut writer = SegmentWriter::default();
    writer.push(&Record { offset: 3, fact: started(9) });
    let mut body = Vec::new();
    writer.write(300, &mut body);
    let (before, moved) = with_distance(&body, 7).unwrap();
    let mut read = Vec::new();
    let distance = records(&moved, |record| {
        read.push(record);
        Ok(())
    });
    assert_eq!((before, distance), (300, Ok(7)));
    assert_eq!(read, [Record { offset: 3, fact: started(9) }]);
    assert!(with_distance(&[0x80], 7).is_err());
}

#[test]
fn every_status_reads_back() {
    for status in (0..=600).chain([u16::MAX]) {
        let mut writer = SegmentWriter::default();
        writer.push(&Record { offset: 0, fact: started(1) });
        writer.push(&Record { offset: 0, fact: ended(false, Some(status)) });
        let mut body = Vec::new();
        writer.write(0, &mut body);
        let mut read = Vec::new();
        let distance = records(&body, |record| {
            read.push(record.fact);
            Ok(())
        });
        assert_eq!((distance, read), (Ok(0), vec![started(1), ended(false, Some(status))]));
    }
}

#[test]
fn places_outside_of_the_plan_have_negative_numbers() {
    let of_chunk = Place::Segment { chunk: Some(7), epoch: 1, seq: 1 };
    let of_run = Place::Segment { chunk: None, epoch: 1, seq: 1 };
    let places = [Place::Chunk(7), of_chunk, of_run, Place::Head, Place::Totals];
    assert_eq!(places.map(Place::chunk_number), [7, 7, -1, -2, -3]);
}
