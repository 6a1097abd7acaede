//! Finds every small change of a source file that a test should notice.

use crate::values::{Known, values};
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, BinOp, Block, Expr, ReturnType, Signature, UnOp};

/// One change of one place.
pub(crate) struct Change {
    pub(crate) number: usize,
    pub(crate) line: usize,
    /// What is changed and in which function, without the line: so it names the change for longer.
    pub(crate) what: String,
    /// The code that stands for it.
    pub(crate) code: String,
}

/// How a place takes a change.
pub(crate) enum Kind {
    /// The code stands instead of this expression.
    Instead,
    /// The code is carried out here, before everything else.
    First,
    /// The arm of a match whose pattern ends here matches no more.
    Arm,
    /// The arm of a match with this guard matches no more.
    GuardedArm,
    /// This statement is not carried out.
    Without,
    /// Nothing is left of this.
    Nothing,
}

/// A place with its changes.
pub(crate) struct Site {
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
    pub(crate) changes: Vec<Change>,
}

/// Returns the places of a file, those around others before these.
pub(crate) fn sites(text: &str, known: &Known) -> Vec<Site> {
    let file = syn::parse_file(text).expect("the file compiles");
    let mut finder = Finder { text, known, names: Vec::new(), own: None, sites: Vec::new() };
    finder.visit_file(&file);
    let mut sites = finder.sites;
    // Stable, so of two places with one range the first found is around the other.
    sites.sort_by_key(|site| (site.range.start, std::cmp::Reverse(site.range.end)));
    sites
}

struct Finder<'a> {
    text: &'a str,
    known: &'a Known,
    /// The functions around this place.
    names: Vec<String>,
    /// The type of the methods around this place.
    own: Option<String>,
    sites: Vec<Site>,
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

fn others(operator: &BinOp) -> &'static [&'static str] {
    match operator {
        BinOp::Eq(_) => &["!="],
        BinOp::Ne(_) => &["=="],
        BinOp::And(_) => &["||"],
        BinOp::Or(_) => &["&&"],
        BinOp::Lt(_) => &["==", ">", "<="],
        BinOp::Gt(_) => &["==", "<", ">="],
        BinOp::Le(_) => &[">", "<"],
        BinOp::Ge(_) => &["<", ">"],
        BinOp::Add(_) => &["-", "*"],
        BinOp::Sub(_) => &["+", "/"],
        BinOp::Mul(_) => &["+", "/"],
        BinOp::Div(_) => &["%", "*"],
        BinOp::Rem(_) => &["/", "+"],
        BinOp::Shl(_) => &[">>"],
        BinOp::Shr(_) => &["<<"],
        BinOp::BitAnd(_) => &["|", "^"],
        BinOp::BitOr(_) => &["&", "^"],
        BinOp::BitXor(_) => &["|", "&"],
        BinOp::AddAssign(_) => &["-=", "*="],
        BinOp::SubAssign(_) => &["+=", "/="],
        BinOp::MulAssign(_) => &["+=", "/="],
        BinOp::DivAssign(_) => &["%=", "*="],
        BinOp::BitOrAssign(_) => &["&=", "^="],
        BinOp::BitAndAssign(_) => &["|=", "^="],
        BinOp::BitXorAssign(_) => &["|=", "&="],
        BinOp::ShlAssign(_) => &[">>="],
        BinOp::ShrAssign(_) => &["<<="],
        _ => &[],
    }
}

/// Returns whether an expression binds names for what follows it, so that it cannot be moved.
fn binds(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => binds(&binary.left) || binds(&binary.right),
        _ => false,
    }
}

/// Returns whether a statement of this expression does something without which a program goes on.
fn is_deed(expr: &Expr) -> bool {
    match expr {
        Expr::Assign(_) | Expr::Binary(_) | Expr::Call(_) | Expr::MethodCall(_) => true,
        Expr::Try(tried) => is_deed(&tried.expr),
        _ => false,
    }
}

impl Finder<'_> {
    fn of(&self, place: &impl Spanned) -> &str {
        &self.text[place.span().byte_range()]
    }

    /// Returns the code of a place on one line.
    fn told(&self, place: &impl Spanned) -> String {
        self.of(place).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn add(&mut self, range: Range<usize>, kind: Kind, line: usize, codes: Vec<(String, String)>) {
        let name = self.names.last().map_or("", String::as_str);
        let change = |(what, code)| {
            // Numbers are given when all files are read; 0 is no change.
            Change { number: 0, line, what: format!("{name}: {what}"), code }
        };
        let changes: Vec<Change> = codes.into_iter().map(change).collect();
        if !changes.is_empty() {
            self.sites.push(Site { range, kind, changes });
        }
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        if let Some(word) = &signature.constness {
            let range = word.span().byte_range();
            self.sites.push(Site { range, kind: Kind::Nothing, changes: Vec::new() });
        }
        let own = self.own.as_deref().map_or(String::new(), |own| format!("{own}::"));
        self.names.push(format!("{own}{}", signature.ident));
        let body = self.told(block);
        let wanted = match &signature.output {
            ReturnType::Default => vec![String::new()],
            ReturnType::Type(_, of) => values(of, self.known, self.own.as_deref()),
        };
        let codes = wanted.into_iter().filter(|value| body.trim_matches(['{', '}', ' ']) != value);
        let codes = codes
            .map(|value| (format!("return {value}").trim().into(), format!("return {value};")));
        if !block.stmts.is_empty() {
            let start = block.brace_token.span.open().byte_range().end;
            let line = signature.ident.span().start().line;
            self.add(start..start, Kind::First, line, codes.collect());
        }
        visit::visit_block(self, block);
        self.names.pop();
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            let own = self.own.take();
            self.function(&item.sig, &item.block);
            self.own = own;
        }
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let of = item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last());
        let is_made = of.is_some_and(|of| of.ident == "Default" || of.ident == "Debug");
        if is_for_tests(&item.attrs) || is_made {
            return;
        }
        if let syn::Type::Path(path) = &*item.self_ty {
            self.own = path.path.segments.last().map(|segment| segment.ident.to_string());
        }
        visit::visit_item_impl(self, item);
        self.own = None;
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        let (range, line) = (expr.span().byte_range(), expr.span().start().line);
        match expr {
            Expr::Binary(binary) if !binds(expr) => {
                let (left, right) = (self.of(&binary.left), self.of(&binary.right));
                let is_assignment = self.of(&binary.op).len() > 1
                    && self.of(&binary.op).ends_with('=')
                    && !["==", "!=", "<=", ">="].contains(&self.of(&binary.op));
                let code = |other: &&str| match is_assignment {
                    true => format!("{left} {other} {right}"),
                    false => format!("({left}) {other} ({right})"),
                };
                let told = self.told(expr);
                let codes = others(&binary.op).iter();
                let codes =
                    codes.map(|other| (format!("`{other}` in `{told}`"), code(other))).collect();
                self.add(range, Kind::Instead, line, codes);
            }
            Expr::Unary(unary) if !matches!(unary.op, UnOp::Deref(_)) => {
                let code = self.of(&unary.expr).to_owned();
                self.add(
                    range,
                    Kind::Instead,
                    line,
                    vec![(format!("without the sign in `{}`", self.told(expr)), code)],
                );
            }
            Expr::Match(found) => {
                let is_rest =
                    |arm: &syn::Arm| arm.guard.is_none() && matches!(arm.pat, syn::Pat::Wild(_));
                let has_rest = found.arms.iter().any(is_rest);
                for arm in &found.arms {
                    let line = arm.span().start().line;
                    if has_rest && !is_rest(arm) {
                        let end = arm.pat.span().byte_range().end;
                        let (range, kind) = match &arm.guard {
                            Some((_, guard)) => (guard.span().byte_range(), Kind::GuardedArm),
                            None => (end..end, Kind::Arm),
                        };
                        let what = format!("without the arm `{}`", self.told(&arm.pat));
                        self.add(range, kind, line, vec![(what, String::new())]);
                    }
                    if let Some((_, guard)) = &arm.guard
                        && !binds(guard)
                    {
                        let told = self.told(guard);
                        let code = |value: &str| {
                            (format!("{value} for the guard `{told}`"), value.to_owned())
                        };
                        let codes = vec![code("true"), code("false")];
                        self.add(guard.span().byte_range(), Kind::Instead, line, codes);
                    }
                }
            }
            _ => {}
        }
        visit::visit_expr(self, expr);
    }

    fn visit_stmt(&mut self, statement: &'a syn::Stmt) {
        if let syn::Stmt::Expr(expr, Some(_)) = statement
            && is_deed(expr)
        {
            let (range, line) = (statement.span().byte_range(), statement.span().start().line);
            let what = format!("without `{}`", self.told(expr));
            self.add(range, Kind::Without, line, vec![(what, String::new())]);
        }
        visit::visit_stmt(self, statement);
    }

    /// Lengths are known when the program is compiled, so they cannot change while it runs.
    fn visit_expr_repeat(&mut self, repeat: &'a syn::ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    fn visit_item_const(&mut self, _: &'a syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'a syn::ImplItemConst) {}
    fn visit_item_static(&mut self, _: &'a syn::ItemStatic) {}
    fn visit_item_enum(&mut self, _: &'a syn::ItemEnum) {}
    fn visit_type(&mut self, _: &'a syn::Type) {}
    fn visit_pat(&mut self, _: &'a syn::Pat) {}
    fn visit_attribute(&mut self, _: &'a Attribute) {}
    fn visit_generic_argument(&mut self, _: &'a syn::GenericArgument) {}
}
