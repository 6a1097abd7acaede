//! The few addresses that the server knows; everything else is not found.

use crate::report::Following;
use crate::store::RunId;

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// The page with all runs.
    List,
    /// The changes of the list.
    ListEvents,
    /// The page of a run.
    Run(RunId),
    /// The changes of a run.
    RunEvents(RunId, Following),
    /// The orders to a run.
    Orders(RunId),
}

impl Route {
    /// Reads a path and its query. Nothing is decoded: no address of this server needs that.
    pub(crate) fn read(path: &str, query: Option<&str>) -> Option<Self> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        match (segments.as_slice(), query) {
            ([""], _) => Some(Self::List),
            (["events"], None) => Some(Self::ListEvents),
            (["runs", id], None) => Some(Self::Run(id.parse().ok()?)),
            (["runs", id, "orders"], None) => Some(Self::Orders(id.parse().ok()?)),
            (["runs", id, "events"], Some(query)) => {
                let word = query.strip_prefix("as=")?;
                let following = Following::ALL.into_iter().find(|it| it.as_str() == word)?;
                Some(Self::RunEvents(id.parse().ok()?, following))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "20240705-120000-kfzq";

    fn read(address: &str) -> Option<Route> {
        let (path, query) = match address.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (address, None),
        };
        Route::read(path, query)
    }

    #[test]
    fn an_address_leads_to_a_page_or_its_changes() {
        let id: RunId = ID.parse().unwrap();
        assert_eq!(read("/"), Some(Route::List));
        assert_eq!(read("/events"), Some(Route::ListEvents));
        assert_eq!(read(&format!("/runs/{ID}")), Some(Route::Run(id.clone())));
        let followed = read(&format!("/runs/{ID}/events?as=rows"));
        assert_eq!(followed, Some(Route::RunEvents(id, Following::Rows)));
    }

    #[test]
    fn tricks_with_paths_lead_nowhere() {
        for address in [
            "",
            "*",
            "//",
            "/runs",
            "/runs/",
            "/runs/..",
            "/runs/../../etc/passwd",
            "/runs/%2e%2e%2fsecret",
            "/runs/20240705-120000-kfzq/",
            "/runs/20240705-120000-kfzq.db",
            "/runs/20240705-120000-kfzq%00",
            "/runs/20240705-120000-KFZQ",
            "/runs/20240705-120000-kfzq/events",
            "/runs/20240705-120000-kfzq/events?as=all",
            "/runs/20240705-120000-kfzq?x",
            "/./runs/20240705-120000-kfzq",
        ] {
            assert_eq!(read(address), None, "{address}");
        }
    }
}
