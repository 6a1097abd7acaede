//! Detects that a directory is on a file system that several machines share.
//!
//! A write-ahead log does not work there: its index is shared memory, which two machines do not
//! have, and a lock may hold on one machine only. FUSE counts as local, because most of its uses are.

use crate::store::error::{StoreError, file};
use std::path::Path;

/// The network file systems by their number, see statfs(2).
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

/// Checks that runs can be kept in a directory.
///
/// # Errors
///
/// It is on a network file system, or its file system cannot be determined.
pub(crate) fn refuse_network(directory: &Path) -> Result<(), StoreError> {
    match network_kind(kind_number(directory).map_err(file(directory))?) {
        None => Ok(()),
        Some(kind) => Err(StoreError::Network { path: directory.into(), kind }),
    }
}

#[cfg(target_os = "linux")]
fn kind_number(directory: &Path) -> std::io::Result<u32> {
    let number = crate::system::files::statfs(directory)?.f_type;
    // Some machines extend the sign of the four bytes, so the others must not count.
    let [first, second, third, fourth, ..] = number.to_le_bytes();
    Ok(u32::from_le_bytes([first, second, third, fourth]))
}

/// On other systems the numbers mean something else, and nothing is refused.
#[cfg(not(target_os = "linux"))]
fn kind_number(_: &Path) -> std::io::Result<u32> {
    Ok(0)
}

/// Returns the name of a network file system; `None` for a local one.
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
