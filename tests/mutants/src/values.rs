//! What a function can return instead of what it works out.

use std::collections::BTreeSet;
use syn::visit::{self, Visit};
use syn::{GenericArgument, PathArguments, Type};

/// The most values for one function.
const MOST: usize = 8;
/// Types of the standard library that have a usual value.
const STANDARD: [&str; 7] =
    ["Duration", "HashMap", "BTreeMap", "HashSet", "BTreeSet", "VecDeque", "PathBuf"];

/// The types that have a usual value.
pub(crate) struct Known(BTreeSet<String>);

impl Known {
    /// Reads which types have one from sources.
    pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut known = Self(STANDARD.iter().map(ToString::to_string).collect());
        for text in texts {
            known.visit_file(&syn::parse_file(text).expect("the file compiles"));
        }
        known
    }

    fn derives(&mut self, name: &syn::Ident, attributes: &[syn::Attribute]) {
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
            let _ = attribute.parse_nested_meta(|of| {
                if of.path.segments.last().is_some_and(|segment| segment.ident == "Default") {
                    self.0.insert(name.to_string());
                }
                Ok(())
            });
        }
    }
}

impl<'a> Visit<'a> for Known {
    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.derives(&item.ident, &item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.derives(&item.ident, &item.attrs);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let of = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        if let (true, Type::Path(path)) =
            (of.is_some_and(|of| of.ident == "Default"), &*item.self_ty)
        {
            self.0.extend(path.path.segments.last().map(|segment| segment.ident.to_string()));
        }
        visit::visit_item_impl(self, item);
    }
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Returns values of a type; none if nothing is known of it.
pub(crate) fn values(of: &Type, known: &Known, own: Option<&str>) -> Vec<String> {
    match of {
        Type::Tuple(tuple) if tuple.elems.is_empty() => texts(&["()"]),
        Type::Tuple(tuple) => {
            let mut rows = vec![Vec::new()];
            for element in &tuple.elems {
                let values = values(element, known, own);
                let longer =
                    |row: &Vec<String>, value: &String| [row.clone(), vec![value.clone()]].concat();
                rows = rows
                    .iter()
                    .flat_map(|row| values.iter().map(move |value| longer(row, value)))
                    .collect();
            }
            rows.truncate(MOST);
            rows.into_iter().map(|row| format!("({})", row.join(", "))).collect()
        }
        Type::Reference(reference) => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => texts(&["\"\"", "\"xyzzy\""]),
            _ => Vec::new(),
        },
        Type::Paren(paren) => values(&paren.elem, known, own),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return Vec::new() };
            let inner = match &last.arguments {
                PathArguments::AngleBracketed(arguments) => {
                    arguments.args.iter().find_map(|one| match one {
                        GenericArgument::Type(of) => Some(of),
                        _ => None,
                    })
                }
                _ => None,
            };
            named(&last.ident.to_string(), inner, known, own)
        }
        _ => Vec::new(),
    }
}

fn named(name: &str, inner: Option<&Type>, known: &Known, own: Option<&str>) -> Vec<String> {
    let within = |before: &str, after: &str| -> Vec<String> {
        let values = inner.map_or(Vec::new(), |of| values(of, known, own));
        values.iter().map(|value| format!("{before}{value}{after}")).collect()
    };
    match name {
        "bool" => texts(&["true", "false"]),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => texts(&["0", "1"]),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => texts(&["0", "1", "-1"]),
        "f32" | "f64" => texts(&["0.0", "1.0", "-1.0"]),
        "String" => texts(&["String::new()", "\"xyzzy\".into()"]),
        "Option" => [texts(&["None"]), within("Some(", ")")].concat(),
        "Result" if inner.is_none() => texts(&["Ok(Default::default())"]),
        "Result" => within("Ok(", ")"),
        "Box" => within("Box::new(", ")"),
        "Vec" => [texts(&["Vec::new()"]), within("vec![", "]")].concat(),
        "NonZero" | "NonZeroU32" | "NonZeroU64" | "NonZeroUsize" => {
            texts(&["std::num::NonZero::MIN"])
        }
        "Self" if own.is_some_and(|own| known.0.contains(own)) => texts(&["Default::default()"]),
        name if known.0.contains(name) => texts(&["Default::default()"]),
        _ => Vec::new(),
    }
}
