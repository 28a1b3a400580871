-- A forum: boards of which one is the support's, topics, posts; the first post of a topic is its question. Staff are a group of the members, by a table between them.
create table membros (id serial primary key, apelido varchar(40) not null, email varchar(120) not null);
create table grupos (id serial primary key, nome varchar(40) not null);
create table membros_grupos (membro_id int not null references membros, grupo_id int not null references grupos, primary key (membro_id, grupo_id));
create table foruns (id serial primary key, nome varchar(60) not null);
create table topicos (id serial primary key, forum_id int not null references foruns, membro_id int not null references membros, titulo varchar(200) not null, respostas int not null default 0, criado_em timestamptz not null default now());
create table mensagens (id serial primary key, topico_id int not null references topicos, membro_id int not null references membros, texto text not null, texto_html text, apagada_em timestamptz, criado_em timestamptz not null default now());
insert into membros (apelido,email) values ('bia','bia@correio.example'),('caio','caio@correio.example'),('edu','edu@loja.example'),('gal','gal@loja.example');
insert into grupos (nome) values ('Membros'),('Suporte'),('Moderadores');
insert into membros_grupos values (1,1),(2,1),(3,1),(3,2),(4,1),(4,3);
insert into foruns (nome) values ('Ajuda'),('Conversa livre');
insert into topicos (forum_id,membro_id,titulo,criado_em) values (1,1,'Pedido atrasado','2026-05-01'),(2,2,'Melhor filme?','2026-05-02'),(1,2,'Troca','2026-05-03'),(1,1,'Senha','2026-05-04');
insert into mensagens (topico_id,membro_id,texto,texto_html,apagada_em,criado_em) values
 (1,1,'O meu pedido ainda não chegou.','<p>O meu pedido ainda não chegou.</p>',null,'2026-05-01 08:00+00'),(1,3,'Ele sai hoje para entrega.','<p>Ele sai hoje para entrega.</p>',null,'2026-05-01 09:00+00'),(1,1,'Obrigada pela resposta rápida!','<p>Obrigada pela resposta rápida!</p>',null,'2026-05-01 10:00+00'),
 (2,2,'Qual o melhor filme do ano?','<p>Qual o melhor filme do ano?</p>',null,'2026-05-02 08:00+00'),(2,1,'Gostei muito do novo da Ana.','<p>Gostei muito do novo da Ana.</p>',null,'2026-05-02 09:00+00'),
 (3,2,'Quero trocar o tamanho da camisa.','<p>Quero trocar o tamanho da camisa.</p>',null,'2026-05-03 08:00+00'),(3,1,'Eu também quero trocar a minha.','<p>Eu também quero trocar a minha.</p>','2026-05-03 08:30+00','2026-05-03 08:20+00'),(3,4,'Pode trocar em qualquer loja.','<p>Pode trocar em qualquer loja.</p>',null,'2026-05-03 09:00+00'),
 (4,1,'Esqueci a minha senha de acesso.','<p>Esqueci a minha senha de acesso.</p>',null,'2026-05-04 08:00+00'),(4,3,'Enviamos um link por e-mail.','<p>Enviamos um link por e-mail.</p>',null,'2026-05-04 09:00+00');
