'use strict';
(() => {
  const find = (id) => document.getElementById(id);
  const form = find('filter');
  // The fields of the form are the parameters of the address, by the same names.
  const fields = ['find', 'level', 'outcome', 'world'].map(find);
  const worlds = Array.from(find('world').options, (option) => option.value).slice(1);
  const rows = Array.from(document.querySelectorAll('.cases tr[id]'), (row) => {
    const below = row.nextElementSibling;
    const explained = below && below.classList.contains('explained') ? below : null;
    return {
      row,
      explained,
      words: (row.textContent + (explained ? explained.textContent : '')).toLowerCase(),
      rules: row.querySelector('summary').textContent.toLowerCase().split(', '),
      level: row.querySelector('small').textContent,
      states: Array.from(row.querySelectorAll('td'), (cell) => cell.className || 'passed'),
    };
  });
  const groups = Array.from(document.querySelectorAll('.cases tbody'));

  const has = (one, word) => (/^[a-z]+-\d+$/.test(word) ? one.rules.includes(word) : one.words.includes(word));

  const chosen = (one) => {
    const [words, level, outcome, world] = fields.map((field) => field.value);
    const states = world === '' ? one.states : [one.states[worlds.indexOf(world)]];
    return words.toLowerCase().split(/\s+/).every((word) => has(one, word))
      && ['', one.level].includes(level)
      && (outcome === ''
        || (outcome === 'trouble' && states.some((state) => state !== 'passed'))
        || (outcome === 'different' && one.states.some((state) => state !== one.states[0]))
        || states.includes(outcome));
  };

  // The name of the anchor in the address.
  const anchor = () => {
    const name = location.hash.slice(1);
    try {
      return decodeURIComponent(name);
    } catch {
      return name;
    }
  };

  // The case that the address names is always shown.
  const named = (one) => {
    const name = anchor();
    return name === one.row.id || name.startsWith(`${one.row.id}:`);
  };

  const apply = () => {
    let count = 0;
    for (const one of rows) {
      const fits = chosen(one);
      count += fits ? 1 : 0;
      const hidden = !fits && !named(one);
      one.row.hidden = hidden;
      if (one.explained) {
        one.explained.hidden = hidden;
      }
    }
    for (const group of groups) {
      group.hidden = !group.querySelector('tr[id]:not([hidden])');
    }
    find('count').textContent = `${count} of ${rows.length} cases`;
  };

  const read = () => {
    const parameters = new URLSearchParams(location.search);
    for (const field of fields) {
      field.value = parameters.get(field.id) ?? '';
      if (field.selectedIndex === -1) {
        field.value = '';
      }
    }
    apply();
  };

  const write = () => {
    const parameters = new URLSearchParams();
    for (const field of fields) {
      if (field.value !== '') {
        parameters.set(field.id, field.value);
      }
    }
    const query = parameters.toString();
    try {
      history.replaceState(null, '', location.pathname + (query === '' ? '' : `?${query}`) + location.hash);
    } catch {
      // A page that is no document of an address, such as a preview, only filters.
    }
    apply();
  };

  // What a link leads to is in view only once the rows that are filtered out are gone.
  const show = () => {
    apply();
    find(anchor())?.scrollIntoView();
  };

  form.addEventListener('input', write);
  form.addEventListener('reset', () => setTimeout(write));
  form.addEventListener('submit', (event) => event.preventDefault());
  addEventListener('popstate', read);
  addEventListener('hashchange', show);
  form.hidden = false;
  read();
  show();
})();
