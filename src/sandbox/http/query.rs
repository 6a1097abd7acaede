//! The queries of the two lists, checked against the service's definition.
//!
//! Unknown parameters are ignored; of repeated ones the last counts.

use crate::sandbox::faults::ServiceFault;
use crate::sandbox::service::STATES;
use crate::task::TaskId;
use std::ops::RangeInclusive;
use url::form_urlencoded;

/// A filter and order of the batch tasks, and the page to return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListQuery {
    paging: Option<Paging>,
    /// The direction.
    pub(crate) order: SortOrder,
    /// The sort key.
    pub(crate) sort: Sort,
    /// Only these groups of cameras.
    pub(crate) groups: Option<Vec<String>>,
    /// Only batch tasks with a sub-task in this state.
    pub(crate) state: Option<&'static str>,
    /// Only batch tasks with this text in this column.
    pub(crate) name_like: Option<(Column, String)>,
    /// Only batch tasks of this manufacturer.
    pub(crate) manufacturer: Option<String>,
    /// Only batch tasks of this algorithm.
    pub(crate) title: Option<String>,
}

/// The size and number of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Paging {
    size: usize,
    number: usize,
}

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SortOrder {
    /// Smallest or oldest first.
    Ascending,
    /// Largest or youngest first.
    Descending,
}

/// The sort key of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The time of creation.
    CreatedAt,
    /// The number of sub-tasks.
    TaskCount,
}

/// The column in which a part of a name is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// The name of the batch task.
    BatchTaskName,
    /// The published name of the algorithm.
    PublishServiceName,
}

impl ListQuery {
    /// Parses the percent-encoded query of a request.
    pub(crate) fn parse(query: &str) -> Result<Self, ServiceFault> {
        let parameters = Parameters::parse(query);
        Ok(Self {
            paging: parameters.paging()?,
            order: parameters.word("order_by", &ORDERS, SortOrder::Descending)?,
            sort: parameters.word("sort_name", &SORTS, Sort::CreatedAt)?,
            groups: parameters.text("video_group", 1..=1000)?.map(groups_of),
            state: parameters.state()?,
            name_like: parameters.name_like()?,
            manufacturer: parameters.text("manufacturer", 2..=64)?.map(Into::into),
            title: parameters.text("title", 2..=64)?.map(Into::into),
        })
    }

    /// Returns whether it selects all batch tasks, in pages or not.
    pub(crate) const fn takes_all(&self) -> bool {
        self.groups.is_none()
            && self.state.is_none()
            && self.name_like.is_none()
            && self.manufacturer.is_none()
            && self.title.is_none()
    }

    /// Returns its page out of all selected ids.
    pub(crate) fn cut<'a>(
        &self,
        all: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = &'a str> {
        let (skipped, size) = match self.paging {
            Some(page) => ((page.number - 1) * page.size, page.size),
            None => (0, usize::MAX),
        };
        // A page beyond the end is empty, not an error: batch tasks may disappear between two pages.
        all.skip(skipped).take(size)
    }
}

/// The words of `order_by`.
const ORDERS: [(&str, SortOrder); 2] =
    [("asc", SortOrder::Ascending), ("desc", SortOrder::Descending)];
/// The words of `sort_name`.
const SORTS: [(&str, Sort); 2] = [("task_count", Sort::TaskCount), ("created_at", Sort::CreatedAt)];
/// The words of `is_paged`.
const BOOLEANS: [(&str, bool); 2] = [("true", true), ("false", false)];
/// The words of `type_like`.
const COLUMNS: [(&str, Option<Column>); 2] = [
    ("batch_task_name", Some(Column::BatchTaskName)),
    ("publish_service_name", Some(Column::PublishServiceName)),
];

/// Splits a list of groups.
fn groups_of(text: &str) -> Vec<String> {
    text.split(',').map(|group| group.trim().into()).collect()
}

/// The decoded parameters of a query.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Decodes a query.
    fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// Returns the value of a parameter.
    fn get(&self, name: &str) -> Option<&str> {
        let named = self.0.iter().rfind(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Returns the text of a parameter, whose number of characters must be within `length`.
    fn text(
        &self,
        name: &'static str,
        length: RangeInclusive<usize>,
    ) -> Result<Option<&str>, ServiceFault> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        if length.contains(&text.chars().count()) {
            return Ok(Some(text));
        }
        Err(ServiceFault::InvalidParameter(name))
    }

    /// Returns the meaning of a parameter's word.
    fn word<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&str, T)],
        default: T,
    ) -> Result<T, ServiceFault> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        let known = words.iter().find(|(word, _)| *word == text);
        known.map(|&(_, meaning)| meaning).ok_or(ServiceFault::InvalidParameter(name))
    }

    /// Returns the number of a parameter, which must be within `range`.
    fn number(
        &self,
        name: &'static str,
        range: RangeInclusive<usize>,
        default: usize,
    ) -> Result<usize, ServiceFault> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or(ServiceFault::InvalidParameter(name))
    }

    /// Returns the page to return, unless paging is off.
    fn paging(&self) -> Result<Option<Paging>, ServiceFault> {
        let paging = Paging {
            size: self.number("page_size", 5..=200, 10)?,
            number: self.number("page_num", 1..=10_000, 1)?,
        };
        // Checked last, because wrong numbers are refused even without paging.
        let is_paged = self.word("is_paged", &BOOLEANS, true)?;
        Ok(is_paged.then_some(paging))
    }

    /// Returns the requested state. The definition has lower case, newer documents have upper case.
    fn state(&self) -> Result<Option<&'static str>, ServiceFault> {
        let Some(text) = self.get("task_state") else {
            return Ok(None);
        };
        let known = STATES.iter().find(|state| state.eq_ignore_ascii_case(text));
        known.map(|&state| Some(state)).ok_or(ServiceFault::InvalidParameter("task_state"))
    }

    /// Returns the part of a name to search; without `type_like` there is none.
    fn name_like(&self) -> Result<Option<(Column, String)>, ServiceFault> {
        let part = self.text("name_like", 0..=100)?;
        let column = self.word("type_like", &COLUMNS, None)?;
        Ok(column.zip(part.map(Into::into)))
    }
}

/// A filter of the sub-tasks, and the page to return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubTaskQuery {
    /// Only those of this batch task.
    pub(crate) batch_task: Option<String>,
    /// Only those in this state.
    pub(crate) state: Option<&'static str>,
    /// The number of the page, from 1.
    pub(crate) page: usize,
    /// Its size.
    pub(crate) page_size: usize,
}

impl SubTaskQuery {
    /// Parses the percent-encoded query of a request.
    pub(crate) fn parse(query: &str) -> Result<Self, ServiceFault> {
        let parameters = Parameters::parse(query);
        let batch_task = parameters.get("batch_id");
        if batch_task.is_some_and(|id| TaskId::check(id).is_err()) {
            return Err(ServiceFault::InvalidParameter("batch_id"));
        }
        Ok(Self {
            batch_task: batch_task.map(Into::into),
            state: parameters.state()?,
            page: parameters.number("page", 1..=usize::MAX, 1)?,
            page_size: parameters.number("page_size", 5..=1000, 10)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(query: &str, parameter: &'static str) {
        let fault = ServiceFault::InvalidParameter(parameter);
        assert_eq!(ListQuery::parse(query), Err(fault), "{query}");
    }

    #[test]
    fn the_default_is_the_youngest_ten() {
        let query = ListQuery::parse("").unwrap();
        let first_ten = Paging { size: 10, number: 1 };
        assert_eq!(query.paging, Some(first_ten));
        assert_eq!(query.order, SortOrder::Descending);
        assert_eq!(query.sort, Sort::CreatedAt);
        assert!(query.takes_all());
        assert_eq!(ListQuery::parse("no=such&page_size=10"), Ok(query));
    }

    #[test]
    fn values_outside_their_definition_are_refused() {
        check_refused("page_size=4", "page_size");
        check_refused("page_size=201", "page_size");
        check_refused("page_size=ten", "page_size");
        check_refused("page_num=0", "page_num");
        check_refused("page_num=10001", "page_num");
        check_refused("order_by=up", "order_by");
        check_refused("sort_name=id", "sort_name");
        check_refused("is_paged=yes", "is_paged");
        check_refused("task_state=asleep", "task_state");
        check_refused("type_like=id", "type_like");
        check_refused("video_group=", "video_group");
        check_refused("title=x", "title");
        check_refused("manufacturer=x", "manufacturer");
        let long = format!("name_like={}", "x".repeat(101));
        check_refused(&long, "name_like");
    }

    #[test]
    fn sub_tasks_are_asked_for_by_their_batch_task() {
        let query = SubTaskQuery::parse("batch_id=gate-1&page=2&page_size=1000").unwrap();
        assert_eq!((query.batch_task.as_deref(), query.page), (Some("gate-1"), 2));
        for (text, name) in
            [("batch_id=x", "batch_id"), ("page=0", "page"), ("page_size=1001", "page_size")]
        {
            let refused = SubTaskQuery::parse(text);
            assert_eq!(refused, Err(ServiceFault::InvalidParameter(name)), "{text}");
        }
    }

    #[test]
    fn values_are_decoded_and_the_last_one_counts() {
        let query = ListQuery::parse("video_group=a&video_group=gate%2C+hall").unwrap();
        assert_eq!(query.groups, Some(vec!["gate".into(), "hall".into()]));
    }

    #[test]
    fn a_part_of_a_name_needs_a_column() {
        assert!(ListQuery::parse("name_like=gate").unwrap().takes_all());
        let query = ListQuery::parse("name_like=gate&type_like=batch_task_name").unwrap();
        assert_eq!(query.name_like, Some((Column::BatchTaskName, "gate".into())));
    }
}
