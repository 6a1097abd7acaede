//! Tells whether a directory is on a file system that other machines share.
//!
//! There a write-ahead log does not work: its index is memory that all its users share, which two
//! machines cannot, and locks may hold on one of them only. FUSE is taken for local, for most of
//! what it is used for is.

use crate::store::error::{StoreError, file};
use std::path::Path;

/// The network file systems by the number that `statfs` tells, see statfs(2).
const KINDS: [(u32, &str); 10] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x0102_1997, "9p"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
];

/// Makes sure that runs can be kept in a directory.
///
/// # Errors
///
/// It is on a network file system, or cannot be asked.
pub(crate) fn refuse_network(directory: &Path) -> Result<(), StoreError> {
    match network_kind(kind_number(directory).map_err(file(directory))?) {
        None => Ok(()),
        Some(kind) => Err(StoreError::Network { path: directory.into(), kind }),
    }
}

#[cfg(target_os = "linux")]
fn kind_number(directory: &Path) -> std::io::Result<u32> {
    let told = rustix::fs::statfs(directory)?.f_type;
    // Four bytes that some machines widen with their sign.
    let [first, second, third, fourth, ..] = told.to_le_bytes();
    Ok(u32::from_le_bytes([first, second, third, fourth]))
}

/// Elsewhere the numbers mean something else, and nothing is refused.
#[cfg(not(target_os = "linux"))]
fn kind_number(_: &Path) -> std::io::Result<u32> {
    Ok(0)
}

/// Names the network file system that a number stands for; nothing for a local one.
fn network_kind(number: u32) -> Option<&'static str> {
    KINDS.iter().find(|(known, _)| *known == number).map(|&(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_number() {
        let expected = [
            (0x6969, Some("NFS")),
            (0xFF53_4D42, Some("CIFS")),
            (0xFE53_4D42, Some("SMB")),
            (0x0102_1997, Some("9p")),
            // ext4, XFS, Btrfs, tmpfs, overlay, ZFS, FUSE.
            (0xEF53, None),
            (0x5846_5342, None),
            (0x9123_683E, None),
            (0x0102_1994, None),
            (0x794C_7630, None),
            (0x2FC1_2FC1, None),
            (0x6573_5546, None),
        ];
        for (number, kind) in expected {
            assert_eq!(network_kind(number), kind, "{number:#x}");
        }
    }

    #[test]
    fn a_local_directory_is_not_refused() {
        refuse_network(tempfile::tempdir().unwrap().path()).unwrap();
    }
}
