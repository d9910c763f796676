'use strict';
(() => {
  const find = (id) => document.getElementById(id);
  const form = find('filter');
  const rows = Array.from(document.querySelectorAll('tr[data-level]'), (row) => ({
    row,
    words: row.textContent.toLowerCase(),
    level: row.dataset.level,
    states: row.dataset.states.split(' '),
  }));
  const groups = Array.from(document.querySelectorAll('.cases tbody'));

  const chosen = ({ words, level, states }) => {
    const wanted = find('words').value.toLowerCase().split(/\s+/);
    const state = find('state').value;
    return wanted.every((word) => words.includes(word))
      && ['', level].includes(find('level').value)
      && (state === ''
        || (state === 'trouble' && states.some((one) => one !== 'passed'))
        || (state === 'different' && states.some((one) => one !== states[0]))
        || states.includes(state));
  };

  const apply = () => {
    let count = 0;
    for (const one of rows) {
      one.row.hidden = !chosen(one);
      count += one.row.hidden ? 0 : 1;
    }
    for (const group of groups) {
      group.hidden = !group.querySelector('tr[data-level]:not([hidden])');
    }
    find('count').textContent = `${count} of ${rows.length} cases`;
  };

  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  form.hidden = false;
  // A page that is gone back to keeps what was typed.
  apply();
})();
