//! The errors of the simulated service, with all six fields of its error body.
//!
//! Written from the service's documentation, not from the client's parser, so that a mistake in
//! one is not repeated in the other.

use crate::sandbox::http::HttpResponse;
use hyper::StatusCode;
use serde::Serialize;

/// An error of the service; the command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceFault {
    /// A parameter of the request does not match its pattern.
    InvalidParameter(&'static str),
    /// There is no task with this id.
    NoSuchTask,
    /// There is no sub-task with this id.
    NoSuchSubTask,
    /// An internal error without details.
    Internal,
    /// A service behind this one failed.
    Downstream,
    /// The operation is not allowed; the service really answers with 500.
    NotAllowed,
    /// The service could not reach IAM.
    IamUnreachable,
    /// The maximum number of tasks is running. Its code has only seven digits, as at the service.
    QuotaReached,
}

/// The error body.
#[derive(Serialize)]
struct FaultBody<'a> {
    error_code: &'a str,
    error_msg: String,
    detail: &'a str,
    params: Vec<&'a str>,
    reason: &'a str,
    advice: &'a str,
}

impl ServiceFault {
    /// The faults that are drawn at random.
    // Faults of a wrong request are left out, because a request that got here is right.
    pub(crate) const BY_CHANCE: [Self; 5] = [
        Self::Internal,
        Self::Downstream,
        Self::NotAllowed,
        Self::IamUnreachable,
        Self::QuotaReached,
    ];

    /// Returns the HTTP status.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::InvalidParameter(_)
            | Self::NoSuchTask
            | Self::NoSuchSubTask
            | Self::QuotaReached => StatusCode::BAD_REQUEST,
            Self::Internal | Self::Downstream | Self::NotAllowed | Self::IamUnreachable => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Returns the error code.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::InvalidParameter(_) => "VIAS.00010001",
            Self::NoSuchSubTask => "VIAS.00010007",
            Self::NoSuchTask => "VIAS.00010008",
            Self::Internal => "VIAS.00010006",
            Self::Downstream => "VIAS.00010009",
            Self::NotAllowed => "VIAS.00010012",
            Self::IamUnreachable => "VIAS.00010037",
            Self::QuotaReached => "VIAS.0010048",
        }
    }

    /// Returns the message of the body.
    fn message(self) -> String {
        match self {
            Self::InvalidParameter(name) => format!("Invalid parameter: {name}."),
            Self::NoSuchTask | Self::NoSuchSubTask => {
                "The task with this ID does not exist.".into()
            }
            Self::Internal => "Internal error.".into(),
            Self::Downstream => "Failed to call the downstream service.".into(),
            Self::NotAllowed => "This operation is not allowed.".into(),
            Self::IamUnreachable => "Failed to call IAM.".into(),
            Self::QuotaReached => "The task quota has been reached.".into(),
        }
    }

    /// Returns the reason and the advice of the body.
    const fn explanation(self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidParameter(_) => {
                ("Invalid parameter.", "Ensure that the entered parameter is valid.")
            }
            Self::NoSuchTask | Self::NoSuchSubTask => {
                ("No task has this ID.", "Check the ID of the task.")
            }
            Self::Internal => ("The service failed.", "Try again later."),
            Self::Downstream => ("A downstream service failed.", "Try again later."),
            Self::NotAllowed => (
                "The state of the task does not allow this operation.",
                "Check the state of the task.",
            ),
            Self::IamUnreachable => ("IAM could not be reached.", "Try again later."),
            Self::QuotaReached => {
                ("No more tasks may run at a time.", "Stop other tasks or buy a larger package.")
            }
        }
    }

    /// Returns the response with this fault.
    pub(crate) fn response(self) -> HttpResponse {
        let (reason, advice) = self.explanation();
        let params = match self {
            Self::InvalidParameter(name) => vec![name],
            Self::NoSuchTask
            | Self::NoSuchSubTask
            | Self::Internal
            | Self::Downstream
            | Self::NotAllowed
            | Self::IamUnreachable
            | Self::QuotaReached => Vec::new(),
        };
        let body = FaultBody {
            error_code: self.code(),
            error_msg: self.message(),
            detail: reason,
            params,
            reason,
            advice,
        };
        HttpResponse::json(self.status(), &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fault: ServiceFault, status: u16, code: &str) {
        let response = fault.response();
        let body = response.body();
        assert_eq!(response.status().as_u16(), status, "{fault:?}");
        assert_eq!(body["error_code"], code);
        for field in ["error_msg", "detail", "reason", "advice"] {
            assert!(!body[field].as_str().unwrap().is_empty(), "{field}");
        }
        assert!(body["params"].as_array().unwrap().len() <= 1);
        assert_eq!(body.as_object().unwrap().len(), 6);
    }

    #[test]
    fn every_fault_has_all_six_fields() {
        check(ServiceFault::InvalidParameter("id"), 400, "VIAS.00010001");
        check(ServiceFault::NoSuchTask, 400, "VIAS.00010008");
        check(ServiceFault::NoSuchSubTask, 400, "VIAS.00010007");
        check(ServiceFault::Internal, 500, "VIAS.00010006");
        check(ServiceFault::Downstream, 500, "VIAS.00010009");
        check(ServiceFault::NotAllowed, 500, "VIAS.00010012");
        check(ServiceFault::IamUnreachable, 500, "VIAS.00010037");
        check(ServiceFault::QuotaReached, 400, "VIAS.0010048");
    }

    #[test]
    fn an_invalid_parameter_is_named() {
        let body = ServiceFault::InvalidParameter("page_size").response().body();
        assert_eq!(body["error_msg"], "Invalid parameter: page_size.");
        assert_eq!(body["params"][0], "page_size");
    }
}
