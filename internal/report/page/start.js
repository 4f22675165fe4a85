// lookFor puts a search in and shows what it finds.
function lookFor(query) {
  search.value = query;
  find();
  document.getElementById('sessions').scrollIntoView({block: 'start'});
  search.focus({preventScroll: true});
}

document.addEventListener('click', event => {
  const button = event.target.closest('button[data-key]');
  if (button) lookFor(term(button.dataset.key, button.dataset.value));
});

document.addEventListener('keydown', event => {
  const typing = event.target.matches('input, select, textarea');
  if (event.key === '/' && !typing && !dialog.open) {
    event.preventDefault();
    search.focus();
    search.select();
  } else if (event.target === search && event.key === 'ArrowDown') {
    event.preventDefault();
    focusRow(0);
  } else if (event.target === search && event.key === 'Escape' && search.value) {
    event.preventDefault();
    search.value = '';
    find();
  }
});

// Paper has no scrolling: all rows are drawn.
addEventListener('beforeprint', () => draw(shown.length));

startTable();
startTimeline();
startSession();
sort();
find();
if (/^#\d+$/.test(location.hash)) openSession(Number(location.hash.slice(1)) - 1);
addEventListener('DOMContentLoaded', () => setTimeout(() => unpackCommands().then(findAgain, () => {})));
