//! Decides from the pages so far which page is next, and whether every task was seen.
//!
//! Pure. A service may repeat a page, change its total, or return more or less than it claims. A
//! walk always ends, and is never called whole if it may have missed a task. See
//! `docs/GLOSSARY.md`: gap.

use crate::api::{LAST_PAGE, ListedTask, Listing, Page};
use crate::policy::SlotTrouble;
use crate::task::Failure;
use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The reason why a walk may have missed tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// The service returned a page twice.
    Repeated {
        /// The number of the second one.
        page: u32,
    },
    /// The list had fewer tasks than its total.
    Short {
        /// The number of tasks in all pages.
        seen: u64,
        /// The total of the list.
        total: u64,
    },
    /// The list became shorter during the walk: a task may have moved to a page already seen.
    Shrank,
    /// The list has more pages than the service returns.
    Endless,
    /// Some entries have no id.
    Nameless {
        /// The number of such entries.
        count: u64,
    },
    /// A page could not be read.
    Unread(Failure),
    /// The credentials were refused.
    Unauthorised(Failure),
    /// The time for the walk was over.
    OutOfTime,
    /// The slots of the rate group could not be reserved for too long.
    NoSlots(SlotTrouble),
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repeated { page } => write!(f, "page {page} of the list came twice"),
            Self::Short { seen, total } => {
                write!(f, "the list has {seen} of the {total} tasks it says it has")
            }
            Self::Shrank => f.write_str("the list became shorter while it was read"),
            Self::Endless => write!(f, "the list has more than {LAST_PAGE} pages"),
            Self::Nameless { count } => write!(f, "{count} entries of the list have no id"),
            Self::Unread(failure) => write!(f, "the list cannot be read: {}", text_of(failure)),
            Self::OutOfTime => f.write_str("the list was not read to its end in time"),
            Self::NoSlots(trouble) => write!(f, "the rate group cannot be used: {trouble}"),
            Self::Unauthorised(failure) => {
                write!(f, "the credentials were refused: {}", text_of(failure))
            }
        }
    }
}

fn text_of(failure: &Failure) -> String {
    match failure.code.as_str() {
        "" => failure.message.clone(),
        code => format!("{code}: {}", failure.message),
    }
}

/// The next step after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// The page of this number.
    Page(u32),
    /// The walk ends: every task was seen.
    Whole,
    /// The walk ends, although a task may have been missed.
    Gap(Gap),
}

/// The pages of one walk.
#[derive(Debug)]
pub(super) struct Pages {
    /// The most entries of a page.
    page_size: u64,
    /// The entries there are, by an earlier answer.
    expected: Option<u64>,
    number: u32,
    seen: u64,
    nameless: u64,
    total: Option<u64>,
    /// The total that the first page said.
    first_total: Option<u64>,
    shrank: bool,
    prints: HashSet<u64>,
    /// The hashes of the ids of the last page.
    neighbours: HashSet<u64>,
    /// The entries that stood on the page before theirs, too.
    doubled: u64,
}

impl Pages {
    /// Returns the walk of a list, before its first page.
    pub(super) fn of(listing: &Listing) -> Self {
        Self {
            page_size: listing.page_size() as u64,
            expected: listing.expected(),
            number: 0,
            seen: 0,
            nameless: 0,
            total: None,
            first_total: None,
            shrank: false,
            prints: HashSet::new(),
            neighbours: HashSet::new(),
            doubled: 0,
        }
    }

    /// Takes the next page and decides what follows.
    pub(super) fn take(&mut self, page: &Page) -> Next {
        self.number += 1;
        // Entries without an id count: the total of the list includes them.
        let size = page.size();
        self.nameless += page.nameless;
        self.shrank |= page.total < self.total;
        self.total = page.total;
        self.first_total = self.first_total.or(page.total);
        if size == 0 && page.is_last != Some(false) {
            return self.end();
        }
        // Without this check, a service that ignores the page number would be read for ever.
        if !self.prints.insert(print(page)) {
            return Next::Gap(Gap::Repeated { page: self.number });
        }
        self.seen += size;
        self.compare_with_neighbours(page);
        match page.is_last {
            Some(true) => return self.end(),
            Some(false) => return self.next(),
            None => {}
        }
        let is_full = size >= self.page_size;
        match self.total {
            // A short page is not the end: the service may return fewer entries than requested.
            Some(total) if self.seen < total => self.next(),
            // More than the total: the list has grown, and a full page suggests yet another.
            Some(total) if self.seen > total && is_full => self.next(),
            Some(_) => self.end(),
            // What an earlier answer said spares the request for an empty page, and proves nothing
            // behind a full one.
            None if self.expected.is_some_and(|all| self.seen >= all) && !is_full => self.end(),
            None => self.next(),
        }
    }

    /// Counts what a shift of the list moved from the page before to this one.
    ///
    /// A list without a firm order repeats some entries and leaves out as many: the sum looks right.
    fn compare_with_neighbours(&mut self, page: &Page) {
        let ids = page.tasks.iter().map(|task| hash_of([task]));
        let ids: HashSet<u64> = ids.collect();
        self.doubled += ids.intersection(&self.neighbours).count() as u64;
        self.neighbours = ids;
    }

    fn next(&self) -> Next {
        match self.number {
            LAST_PAGE.. => Next::Gap(Gap::Endless),
            number => Next::Page(number + 1),
        }
    }

    fn end(&self) -> Next {
        // The gravest reason first: after a shift, even a matching number of tasks proves nothing.
        let distinct = self.seen - self.doubled;
        // Against the first total: a task that is new since then shifts the others by one.
        let missed = self.first_total.filter(|&total| self.doubled > 0 && distinct < total);
        match (self.total, missed) {
            (_, _) if self.shrank => Next::Gap(Gap::Shrank),
            (Some(total), _) if self.seen < total => {
                Next::Gap(Gap::Short { seen: self.seen, total })
            }
            (_, Some(total)) => Next::Gap(Gap::Short { seen: distinct, total }),
            (_, None) if self.nameless > 0 => Next::Gap(Gap::Nameless { count: self.nameless }),
            (_, None) => Next::Whole,
        }
    }
}

/// Returns a fingerprint of a page: the hash of its ids, in order.
fn print(page: &Page) -> u64 {
    // Hashes instead of ids keep memory small: ten thousand pages take some hundred kilobytes. A
    // collision would only report a gap that is none.
    hash_of(&page.tasks)
}

fn hash_of<'a>(tasks: impl IntoIterator<Item = &'a ListedTask>) -> u64 {
    let mut hasher = DefaultHasher::new();
    tasks.into_iter().for_each(|task| task.id.hash(&mut hasher));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(total: Option<u64>, ids: std::ops::Range<u32>) -> Page {
        let task = |id: u32| ListedTask { id: format!("task-{id}"), ..ListedTask::default() };
        Page { total, tasks: ids.map(task).collect(), ..Page::default() }
    }

    fn check(pages: &[Page], expected: &Next) {
        let mut walk = Pages::of(&Listing::default());
        let mut next = Next::Page(1);
        for (number, page) in (1..).zip(pages) {
            assert_eq!(next, Next::Page(number), "before page {number}");
            next = walk.take(page);
        }
        assert_eq!(&next, expected);
    }

    #[test]
    fn a_walk_ends_where_the_total_is_seen() {
        check(&[page(Some(0), 0..0)], &Next::Whole);
        check(&[page(Some(3), 0..3)], &Next::Whole);
        check(&[page(Some(200), 0..200)], &Next::Whole);
        check(&[page(Some(201), 0..200)], &Next::Page(2));
        check(&[page(Some(201), 0..200), page(Some(201), 200..201)], &Next::Whole);
    }

    #[test]
    fn without_a_total_an_empty_page_is_the_end() {
        check(&[page(None, 0..3)], &Next::Page(2));
        check(&[page(None, 0..3), page(None, 0..0)], &Next::Whole);
    }

    #[test]
    fn an_earlier_answer_spares_the_empty_page_and_proves_nothing_behind_a_full_one() {
        let first = |expected, page: &Page| {
            Pages::of(&Listing::SubTasks { batch_task: None, expected }).take(page)
        };
        assert_eq!(first(Some(3), &page(None, 0..3)), Next::Whole);
        assert_eq!(first(Some(3), &page(None, 0..4)), Next::Whole);
        assert_eq!(first(Some(3), &page(None, 0..2)), Next::Page(2));
        assert_eq!(first(Some(1_000), &page(None, 0..1_000)), Next::Page(2));
        assert_eq!(first(None, &page(None, 0..3)), Next::Page(2));
    }

    #[test]
    fn a_service_that_gives_less_at_a_time_is_followed() {
        check(&[page(Some(15), 0..10), page(Some(15), 10..15)], &Next::Whole);
    }

    #[test]
    fn a_page_that_repeats_ends_the_walk() {
        let repeated = Next::Gap(Gap::Repeated { page: 2 });
        check(&[page(Some(400), 0..200), page(Some(400), 0..200)], &repeated);
    }

    #[test]
    fn a_total_that_grows_is_followed_and_one_that_falls_leaves_a_gap() {
        check(&[page(Some(200), 0..200)], &Next::Whole);
        check(&[page(Some(300), 0..200), page(Some(401), 200..400)], &Next::Page(3));
        let shrank = Next::Gap(Gap::Shrank);
        check(&[page(Some(300), 0..200), page(Some(299), 200..299)], &shrank);
    }

    #[test]
    fn more_than_was_claimed_is_taken_and_less_is_a_gap() {
        check(&[page(Some(5), 0..7)], &Next::Whole);
        check(&[page(Some(5), 0..200)], &Next::Page(2));
        let short = Next::Gap(Gap::Short { seen: 3, total: 9 });
        check(&[page(Some(9), 0..3), page(Some(9), 0..0)], &short);
    }

    #[test]
    fn an_entry_that_comes_again_on_the_next_page_stands_for_one_that_was_missed() {
        let short = Next::Gap(Gap::Short { seen: 300, total: 400 });
        check(&[page(Some(400), 0..200), page(Some(400), 100..300)], &short);
        // One task more since the first page moves one entry over, and none is missed.
        let grown = [page(Some(399), 0..200), page(Some(400), 199..399)];
        check(&grown, &Next::Whole);
        // Without a total nothing says how many there are.
        check(&[page(None, 0..200), page(None, 199..399), page(None, 0..0)], &Next::Whole);
    }

    #[test]
    fn entries_without_an_id_are_a_gap() {
        let nameless = Page { total: Some(2), nameless: 1, ..page(None, 0..1) };
        check(&[nameless], &Next::Gap(Gap::Nameless { count: 1 }));
    }

    #[test]
    fn no_walk_goes_on_for_ever() {
        let mut walk = Pages::of(&Listing::default());
        let pages = (0..).map(|number| page(None, number..number + 1));
        let ends =
            pages.map(|page| walk.take(&page)).position(|next| next == Next::Gap(Gap::Endless));
        assert_eq!(ends, Some(9_999));
    }

    proptest! {
        #[test]
        fn a_whole_walk_has_seen_as_many_as_the_list_says(
            pages in proptest::collection::vec((proptest::option::of(0_u64..600), 0_u32..250), 1..6)
        ) {
            let mut walk = Pages::of(&Listing::default());
            let mut from = 0;
            for (total, size) in pages {
                let next = walk.take(&page(total, from..from + size));
                from += size;
                match next {
                    Next::Page(_) => {}
                    Next::Whole => {
                        prop_assert!(total.is_none_or(|total| u64::from(from) >= total));
                        return Ok(());
                    }
                    Next::Gap(_) => return Ok(()),
                }
            }
        }
    }
}
