//! The control protocol: an order is written and read again the same; a repeated key is refused.

#![no_main]

/// The protocol, and what it imports of the command line.
mod cli;

use cli::run::control_protocol::{ControlRequest, VERSION, line, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let order = match read(data) {
        Ok(order) => order,
        Err(reason) => return assert!(!reason.is_empty() && !reason.contains(char::is_control)),
    };
    // A refusal of an order that was understood has a reason, too.
    assert!(order.change().map_or_else(|reason| !reason.is_empty(), |_| true));
    let request = ControlRequest { version: VERSION, order };
    assert_eq!(read(line(&request).as_bytes()).as_ref(), Ok(&request.order));
    let start = data.iter().position(|&byte| byte == b'{').expect("an order is an object");
    let mut twice = data.to_vec();
    twice.splice(start + 1..start + 1, *b"\"order\":\"pause\",");
    assert!(read(&twice).is_err(), "{}", String::from_utf8_lossy(&twice));
});
