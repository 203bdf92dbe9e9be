"""Sphinx extension: what the reference and the bibliography need and Sphinx does not do by itself.

Works of the same authors and year get letters (1983a, 1983b), so that a citation names one of them. Fields of named
tuples are described once, with their class, and not again as aliases. Attributes that share a line of a docstring
stay together; numbers of an enumeration have no signature that a reader could call.
"""

import re
from collections import defaultdict
from string import ascii_lowercase


def add_letters(app):
    """Tell works apart that would be cited alike."""
    alike = defaultdict(list)
    for entry in app.env.get_domain("cite").bibdata.data.entries.values():
        names = [" ".join(person.last_names) for person in entry.persons.get("author", [])]
        shown = tuple(names) if len(names) < 3 else (names[0], "et al.")
        alike[shown, entry.fields.get("year")].append(entry)
    for (_, year), entries in alike.items():
        if year and len(entries) > 1:
            for letter, entry in zip(ascii_lowercase, entries, strict=False):
                entry.fields["year"] = year + letter


def skip_aliases(app, what, name, obj, skip, options):
    """Leave out the fields of a named tuple, which its docstring describes with their units."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def join_names(app, what, name, obj, options, lines):
    """Keep `a, b, c` of one line together: Sphinx takes all but the last word for a type."""
    for i, line in enumerate(lines):
        if match := re.match(r"(\s*:(?:ivar|vartype) )([^:]*, [^:]*)(:.*)", line):
            lines[i] = match[1] + match[2].replace(", ", ",\u200b") + match[3]


def hide_signature(app, what, name, obj, options, signature, returned):
    """An enumeration is not made by calling it."""
    return ("", None) if what == "class" and "boundary=None" in (signature or "") else None


def name_roles(app, pagename, templatename, context, doctree):
    """The entries of the bibliography are items of a list; their old role is deprecated in ARIA."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app):
    app.connect("builder-inited", add_letters, priority=900)  # after the files are read
    app.connect("autodoc-skip-member", skip_aliases)
    app.connect("autodoc-process-docstring", join_names, priority=900)  # after napoleon
    app.connect("autodoc-process-signature", hide_signature)
    app.connect("html-page-context", name_roles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
